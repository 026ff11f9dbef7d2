"""Surfaces as points: what pictures tell of them, what continues their colours, the discs that close them."""
