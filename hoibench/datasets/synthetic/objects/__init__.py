"""The things that synthetic hands hold: parametric tools and targets in the vocabulary of TACO."""
