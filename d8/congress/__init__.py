"""What happens when nothing automatic helps: why it failed, a request to a person, and the message that tells them."""
