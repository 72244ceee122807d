"""The slave's own web panel: pages for browsers. What they show and do goes through the API, as anybody's calls do."""
