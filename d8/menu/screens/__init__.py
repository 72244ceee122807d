"""One module an option: the questions it asks, the action it calls, the view that shows the result."""
