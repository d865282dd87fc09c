"""How agents sound and hear, in the attributes that each provider documents."""
