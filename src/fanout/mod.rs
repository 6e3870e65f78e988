//! Who wants an event: the interest table between shards and each shard's filter index.
