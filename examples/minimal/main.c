/* The shortest embedding: one image of zeros through LeNet-5. Valid C and C++. */
#include <stdio.h>
#include "lenet5.h"

static CNN_ALIGNED unsigned char arena[LENET5_ARENA_BYTES];

int main(void)
{
    static float image[LENET5_IMAGE_ELEMENTS], probabilities[LENET5_PROBABILITIES_ELEMENTS];
    lenet5 net;
    if (lenet5_init(&net, NULL, 0, arena, sizeof arena) != CNN_OK || lenet5_run(&net, image, probabilities) != CNN_OK) {
        return 1;
    }
    for (int digit = 0; digit < 10; ++digit) {
        printf("%d %.3f\n", digit, (double)probabilities[digit]);
    }
    return 0;
}
