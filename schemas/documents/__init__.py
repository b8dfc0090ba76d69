"""What is generated from the contracts: JSON Schemas, AsyncAPI, pages."""
