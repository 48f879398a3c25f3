"""Programs with one bug each, by the groups of "Known failures"."""
