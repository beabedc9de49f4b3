"""The TACO data set: its download, cameras, objects and hands, and the clips prepared from them."""
