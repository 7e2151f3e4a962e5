"""Where a shard set is published: a folder, a bucket of S3, a repository of the Hugging Face Hub."""
