"""Arrays and numbers -> figures on matplotlib axes; independent of evaluations and tasks."""
