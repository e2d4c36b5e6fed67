"""What an attempt tells of itself: its journal, its outcome, its log."""
