"""The relay to MLflow: what the folders say of a study, brought into a store by a process of its own."""
