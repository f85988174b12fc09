"""`make deploy`: compare the Cloudflare account with the checkout, and upload the Worker."""
