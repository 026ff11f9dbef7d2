"""The embedded model: Face Mesh landmarks, a head template fitted to them, and the photo's colours."""
