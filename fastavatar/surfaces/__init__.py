"""Surfaces given by points: their colours in pictures, blended and completed, and discs that cover them."""
