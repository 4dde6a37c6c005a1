int goAnswer(void);

int answer(void) { return 1; }
int doubled(void) { return 2 * goAnswer(); }
