"""TACO as a user downloads it: its folders, cameras, objects and hands, and the clips made of them."""
