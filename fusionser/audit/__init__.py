"""What a split leaks: copies, speakers and performances that are on both sides, and what that is worth."""
