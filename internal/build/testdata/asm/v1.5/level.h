#define SECOND asmplugin∕cpu·Level+8(SB)
