"""The built-in multimodal model: pictures and words in, grounded phrases and programs out."""
