"""What the views are built of: figures as plain data, forms, readers, formats."""
