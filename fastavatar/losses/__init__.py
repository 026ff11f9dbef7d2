"""How far a picture or a surface is from another: what is minimised and what is reported."""
