"""Language models: create, train, sample, score and embed; everything between models is text."""
