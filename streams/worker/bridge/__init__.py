"""All that touches the insides of Faust and of its client."""
