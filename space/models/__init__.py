"""What the files of models say, read without the packages that run them."""
