int fromlib(void) { return 1; }
