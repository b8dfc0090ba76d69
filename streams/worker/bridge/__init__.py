"""All that touches the insides of Faust and of its client, with what each of them has to keep.

It knows the records of the state and nothing else of the worker, which lies above it.
"""
