"""Texts with made-up personal data and keys in known places, to measure detection by.

Written from public descriptions of the formats, without a look at the code that detects them. The
half "seen" is to improve by; the half "hidden" has other carriers, words and spacings, and shows
whether what was learnt on the first holds elsewhere.
"""
