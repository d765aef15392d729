def supports(*t):
    return False
