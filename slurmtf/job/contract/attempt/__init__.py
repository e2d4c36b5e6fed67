"""What an attempt records: its journal, its outcome, its log."""
