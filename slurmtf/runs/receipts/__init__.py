"""All that is known of a run in one document, and what is made of it."""
