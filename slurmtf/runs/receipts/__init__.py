"""All known facts about a run in one document, and their uses: comparing and citing runs."""
