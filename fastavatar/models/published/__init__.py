"""The published FastAvatar networks (Liang et al. 2025, arXiv 2508.18389); `loading.load` reads them."""
