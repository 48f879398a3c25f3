"""What a person sees of a study: the live table, the results file, the closing tables, the plots."""
