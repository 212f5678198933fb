"""Product files as shops write them: CSV, JSON, XML feeds and picture folders, as rows."""
