"""What this program writes beside oned.conf: one module a subject. Pure: text in, text out."""
