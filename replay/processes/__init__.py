"""One replay by several processes, each with some of the partitions."""
