"""The dashboard: launch runs, watch them, read how far they can be trusted.

It reads run folders and starts detached processes; it never imports torch, so it stays
light and a crash of one cannot be a crash of the other.
"""
