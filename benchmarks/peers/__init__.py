"""Other libraries that compute what VOGN computes, side by side with it.

All are optional (`pip install -e '.[bench]'`) and imported when first used; one that
cannot handle a network is reported in its own words.
"""
