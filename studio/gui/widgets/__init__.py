"""Small controls the views are put together from."""
