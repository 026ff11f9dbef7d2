"""One HTML file that shows a head in a browser."""
