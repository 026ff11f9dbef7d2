"""Many photos: which there are, where each one's results go, and who works them off.

folder, pattern, list ─ listing ─▶ photos ─ places ─▶ jobs ─ engine ─▶ rows ─ index ─▶ results.jsonl, .parquet
                                             └─ resume: those not done yet    └─▶ a folder of results each
"""
