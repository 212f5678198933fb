"""The scorer of pairs: boosted trees, their calibration and training, labelled pairs."""
