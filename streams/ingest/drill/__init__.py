"""`tapeline feed drill`: a provider on loopback that fails as providers do, for any feed."""
