/* Shapes: what every op makes of its inputs, and which inputs it refuses. Expected sizes are worked out by hand, or are
 * those of the published networks. */
#include <criterion/criterion.h>

#include "ir_build.h"

typedef struct Case {
    const char *op;     /* "conv channels=64 kernel=3" */
    const char *inputs; /* types, separated by blanks */
    const char *result; /* a type; or "!id", the diagnostic */
    const char *says;   /* for errors: part of the message; may be NULL */
} Case;

static const Case cases[] = {
    /* conv: floor((in + pads - reach) / stride) + 1 */
    {"conv channels=64 kernel=3", "f32[3,8,8]", "f32[64,6,6]", NULL},
    {"conv channels=64 kernel=3 pad=1", "f32[3,8,9]", "f32[64,8,9]", NULL},
    {"conv channels=64 kernel=7 stride=2 pad=3", "f32[3,224,224]", "f32[64,112,112]", NULL},
    {"conv channels=64 kernel=11 stride=4 pad=2", "f32[3,224,224]", "f32[64,55,55]", NULL},
    {"conv channels=96 kernel=11 stride=4", "f32[3,227,227]", "f32[96,55,55]", NULL},
    {"conv channels=5 kernel=1,7 pad=0,3", "f32[4,17,17]", "f32[5,17,17]", NULL},
    {"conv channels=5 kernel=3,1 stride=2,1", "f32[4,9,9]", "f32[5,4,9]", NULL},
    {"conv channels=5 kernel=2 pad=1,2,3,4", "f32[4,10,10]", "f32[5,13,15]", NULL},
    {"conv channels=5 kernel=3 dilation=2", "f32[4,10,10]", "f32[5,6,6]", NULL},
    {"conv channels=5 kernel=3 dilation=2 pad=2", "f32[4,10,10]", "f32[5,10,10]", NULL},
    {"conv channels=5 kernel=3 dilation=1,4", "f32[4,9,9]", "f32[5,7,1]", NULL},
    {"conv channels=5 kernel=3 pad=same", "f32[4,10,11]", "f32[5,10,11]", NULL},
    {"conv channels=5 kernel=3 stride=2 pad=same", "f32[4,10,11]", "f32[5,5,6]", NULL},
    {"conv channels=5 kernel=7 stride=2 pad=same", "f32[3,224,224]", "f32[5,112,112]", NULL},
    {"conv channels=5 kernel=1 stride=2 pad=same", "f32[4,10,11]", "f32[5,5,6]", NULL},
    {"conv channels=5 kernel=3 dilation=2 pad=same", "f32[4,10,10]", "f32[5,10,10]", NULL},
    {"conv channels=5 kernel=5 pad=same", "f32[4,1,1]", "f32[5,1,1]", NULL},
    {"conv channels=6 kernel=3 groups=2", "f32[4,8,8]", "f32[6,6,6]", NULL},
    {"conv channels=8 kernel=1 groups=4 bias=false", "f32[4,8,8]", "f32[8,8,8]", NULL},
    {"conv channels=2 kernel=5 table=0,1/1,2", "f32[3,14,14]", "f32[2,10,10]", NULL},
    {"conv channels=5 kernel=8", "f32[4,8,8]", "f32[5,1,1]", NULL},
    {"conv channels=5 kernel=3", "f32[10]", "!bad-rank", "conv takes a tensor [C,H,W], not f32[10]"},
    {"conv channels=5 kernel=3", "f32[4,4]", "!bad-rank", NULL},
    {"conv channels=5 kernel=9", "f32[4,8,8]", "!window-too-large",
     "the 9x9 window of conv is larger than its input f32[4,8,8]:"},
    {"conv channels=5 kernel=9 pad=0,1", "f32[4,8,8]", "!window-too-large", "even padded"},
    {"conv channels=5 kernel=3 dilation=4", "f32[4,8,8]", "!window-too-large",
     "the 9x9 window of conv (dilation included)"},
    {"conv channels=5 kernel=65535 dilation=65535", "f32[4,8,8]", "!window-too-large", "4294770691x4294770691"},
    {"conv channels=5 kernel=65535 dilation=3 pad=same", "f32[4,8,8]", "!value-range", "at most 65535"},
    {"conv channels=6 kernel=3 groups=3", "f32[4,8,8]", "!bad-groups", "3 groups do not divide 4 input channels"},
    {"conv channels=5 kernel=3 groups=2", "f32[4,8,8]", "!bad-groups", "2 groups do not divide 5 output channels"},
    {"conv channels=3 kernel=3 table=0,1/1,2", "f32[3,8,8]", "!bad-table", "2 rows for 3 output channels"},
    {"conv channels=2 kernel=3 table=0,1/1,3", "f32[3,8,8]", "!bad-table", "row 1 of the table names input map 3"},
    {"conv channels=2 kernel=3 table=0,1/2,2", "f32[3,8,8]", "!bad-table",
     "row 1 of the table names input map 2 twice"},
    {"conv channels=2 kernel=3 table=0,1/", "f32[3,8,8]", "!bad-table", "row 1 of the table is empty"},
    {"conv channels=2 kernel=3 groups=2 table=0/1", "f32[2,8,8]", "!bad-table", "exclude each other"},
    {"conv channels=2147483647 kernel=1", "f32[1,2,2]", "!tensor-too-large", "f32[2147483647,2,2]"},
    {"conv channels=100000 kernel=3", "f32[100000,3,3]", "!tensor-too-large", "the weight of conv"},
    {"conv channels=1 kernel=1 pad=60000", "f32[1,1,1]", "!tensor-too-large", NULL},
    {"conv channels=5 kernel=3", "u8[3,8,8]", "!bad-dtype", "conv takes f32 elements, not u8[3,8,8]"},
    {"conv channels=5 kernel=3", "i32[3,8,8]", "!bad-dtype", "indices can only be outputs"},
    /* depthwise_conv */
    {"depthwise_conv kernel=3 pad=1", "f32[32,112,112]", "f32[32,112,112]", NULL},
    {"depthwise_conv kernel=3 stride=2 pad=same", "f32[64,112,112]", "f32[64,56,56]", NULL},
    {"depthwise_conv kernel=3 multiplier=2", "f32[4,8,8]", "f32[8,6,6]", NULL},
    {"depthwise_conv kernel=3 dilation=3 pad=3", "f32[4,8,8]", "f32[4,8,8]", NULL},
    {"depthwise_conv kernel=9", "f32[4,8,8]", "!window-too-large", NULL},
    {"depthwise_conv kernel=3", "f32[4]", "!bad-rank", NULL},
    {"depthwise_conv kernel=1 multiplier=2147483647", "f32[2,1,1]", "!tensor-too-large", NULL},
    /* conv_transpose: (in - 1) * stride - pads + reach + output_pad */
    {"conv_transpose channels=64 kernel=3 stride=2 pad=1 output_pad=1", "f32[128,64,64]", "f32[64,128,128]", NULL},
    {"conv_transpose channels=5 kernel=2 stride=2", "f32[4,7,9]", "f32[5,14,18]", NULL},
    {"conv_transpose channels=5 kernel=3", "f32[4,7,7]", "f32[5,9,9]", NULL},
    {"conv_transpose channels=5 kernel=3 dilation=2", "f32[4,7,7]", "f32[5,11,11]", NULL},
    {"conv_transpose channels=6 kernel=4 stride=2 pad=1 groups=2", "f32[4,8,8]", "f32[6,16,16]", NULL},
    {"conv_transpose channels=6 kernel=3 groups=3", "f32[4,8,8]", "!bad-groups", NULL},
    {"conv_transpose channels=5 kernel=3 groups=2", "f32[4,8,8]", "!bad-groups", NULL},
    {"conv_transpose channels=5 kernel=1 pad=1", "f32[4,2,2]", "!window-too-large", "pad takes all 2 rows"},
    {"conv_transpose channels=5 kernel=3 stride=2 output_pad=2", "f32[4,8,8]", "!value-range", "output_pad 2"},
    {"conv_transpose channels=5 kernel=3", "f32[4]", "!bad-rank", NULL},
    {"conv_transpose channels=1 kernel=1 stride=65535", "f32[1,2,50000]", "!tensor-too-large", NULL},
    /* dense, rbf */
    {"dense units=1000", "f32[512]", "f32[1000]", NULL},
    {"rbf units=10", "f32[84]", "f32[10]", NULL},
    {"dense units=10", "f32[512,7,7]", "!needs-flatten", "dense takes a vector [N], not f32[512,7,7]"},
    {"rbf units=10", "f32[512,1,1]", "!needs-flatten", "flatten"},
    {"dense units=10", "f32[4,4]", "!bad-rank", NULL},
    {"dense units=100000", "f32[100000]", "!tensor-too-large", NULL},
    /* norms */
    {"batch_norm", "f32[64,56,56]", "f32[64,56,56]", NULL},
    {"batch_norm", "f32[512]", "f32[512]", NULL},
    {"batch_norm", "f32[5,5]", "!bad-rank", "batch_norm takes a tensor [C,H,W] or a vector [C]"},
    {"instance_norm", "f32[32,9,9]", "f32[32,9,9]", NULL},
    {"instance_norm", "f32[32]", "!bad-rank", NULL},
    {"lrn", "f32[96,27,27]", "f32[96,27,27]", NULL},
    {"lrn", "f32[96]", "!bad-rank", NULL},
    {"l2_normalize", "f32[512]", "f32[512]", NULL},
    {"l2_normalize", "f32[5,2,2]", "f32[5,2,2]", NULL},
    {"l2_normalize", "f32[5,5]", "!bad-rank", NULL},
    /* pools */
    {"max_pool kernel=2", "f32[6,28,28]", "f32[6,14,14]", NULL},
    {"max_pool kernel=2", "f32[6,7,9]", "f32[6,3,4]", NULL},
    {"max_pool kernel=2 ceil=true", "f32[6,7,9]", "f32[6,4,5]", NULL},
    {"max_pool kernel=3 stride=2 pad=1", "f32[64,112,112]", "f32[64,56,56]", NULL},
    {"max_pool kernel=3 stride=2 ceil=true", "f32[64,112,112]", "f32[64,56,56]", NULL},
    {"max_pool kernel=3 stride=2 pad=same", "f32[64,112,112]", "f32[64,56,56]", NULL},
    {"max_pool kernel=3 stride=2", "f32[64,55,55]", "f32[64,27,27]", NULL},
    {"max_pool kernel=3 stride=2 pad=0,0,1,1", "f32[64,56,56]", "f32[64,28,28]", NULL},
    {"max_pool kernel=1 stride=2 ceil=true", "f32[2,4,5]", "f32[2,2,3]",
     NULL}, /* a third window would start past row 4 */
    {"max_pool kernel=2 stride=2 pad=1 ceil=true", "f32[2,3,4]", "f32[2,2,3]", NULL},
    {"max_pool kernel=2 stride=3 ceil=true", "f32[2,6,7]", "f32[2,2,3]", NULL},
    {"max_pool kernel=2 ceil=true", "f32[2,1,1]", "f32[2,1,1]", NULL},
    {"max_pool kernel=3,2 stride=1,2", "f32[2,8,8]", "f32[2,6,4]", NULL},
    {"max_pool kernel=3 stride=1 pad=same", "f32[2,5,5]", "f32[2,5,5]", NULL},
    {"max_pool kernel=4", "f32[2,3,8]", "!window-too-large", "the 4x4 window of max_pool"},
    {"max_pool kernel=4 stride=1 ceil=true", "f32[2,1,1]", "!window-too-large", "even in ceil mode"},
    {"max_pool kernel=2 pad=2", "f32[2,8,8]", "!value-range", "pad 2 is not less than the 2x2 window"},
    {"max_pool kernel=3,2 pad=0,0,0,2", "f32[2,8,8]", "!value-range", NULL},
    {"max_pool kernel=2", "f32[8]", "!bad-rank", NULL},
    {"avg_pool kernel=2", "f32[6,28,28]", "f32[6,14,14]", NULL},
    {"avg_pool kernel=3 stride=1 pad=1 count_pad=false", "f32[6,35,35]", "f32[6,35,35]", NULL},
    {"avg_pool kernel=3 stride=2 pad=1 ceil=true", "f32[6,14,14]", "f32[6,8,8]", NULL},
    {"avg_pool kernel=3 stride=2 pad=same", "f32[6,15,15]", "f32[6,8,8]", NULL},
    {"avg_pool kernel=2 pad=2", "f32[6,8,8]", "!value-range", NULL},
    {"avg_pool kernel=9", "f32[6,8,8]", "!window-too-large", NULL},
    {"global_avg_pool", "f32[512,7,7]", "f32[512,1,1]", NULL},
    {"global_avg_pool keep=false", "f32[512,7,7]", "f32[512]", NULL},
    {"global_avg_pool", "f32[512]", "!bad-rank", NULL},
    {"global_max_pool", "f32[512,7,3]", "f32[512,1,1]", NULL},
    {"global_max_pool keep=false", "f32[512,7,3]", "f32[512]", NULL},
    {"adaptive_avg_pool size=6", "f32[256,6,6]", "f32[256,6,6]", NULL},
    {"adaptive_avg_pool size=4", "f32[5,14,14]", "f32[5,4,4]", NULL},
    {"adaptive_avg_pool size=7,3", "f32[5,2,9]", "f32[5,7,3]", NULL},
    {"adaptive_avg_pool size=65535", "f32[5,2,9]", "!tensor-too-large", NULL},
    {"adaptive_avg_pool size=7", "f32[5]", "!bad-rank", NULL},
    {"subsample", "f32[6,28,28]", "f32[6,14,14]", NULL},
    {"subsample kernel=3,2", "f32[6,10,10]", "f32[6,3,5]", NULL},
    {"subsample kernel=11", "f32[6,10,10]", "!window-too-large", NULL},
    {"subsample", "f32[6]", "!bad-rank", NULL},
    /* elementwise: any rank, but for those with weights */
    {"relu", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"relu6", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"leaky_relu slope=0.1", "f32[3]", "f32[3]", NULL},
    {"sigmoid", "f32[3,3]", "f32[3,3]", NULL},
    {"hard_sigmoid", "f32[3]", "f32[3]", NULL},
    {"tanh", "f32[3]", "f32[3]", NULL},
    {"scaled_tanh", "f32[3]", "f32[3]", NULL},
    {"silu", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"hard_swish", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"gelu", "f32[3]", "f32[3]", NULL},
    {"elu", "f32[3]", "f32[3]", NULL},
    {"softplus", "f32[3]", "f32[3]", NULL},
    {"step", "f32[3]", "f32[3]", NULL},
    {"identity", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"dropout", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"scale factor=0.5", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"clamp lo=0 hi=255", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"clamp lo=1 hi=1", "f32[3]", "f32[3]", NULL},
    {"clamp lo=1 hi=0", "f32[3]", "!value-range", "lo 1 is above hi 0"},
    {"relu", "u8[3,4,5]", "!bad-dtype", "normalize"},
    {"identity", "i32[1]", "!bad-dtype", NULL},
    {"prelu", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"prelu", "f32[3]", "f32[3]", NULL},
    {"prelu", "f32[3,3]", "!bad-rank", NULL},
    {"affine", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"affine", "f32[3,3]", "!bad-rank", NULL},
    {"softmax", "f32[1000]", "f32[1000]", NULL},
    {"softmax", "f32[21,8,8]", "f32[21,8,8]", NULL},
    {"softmax", "f32[3,3]", "!bad-rank", NULL},
    {"log_softmax", "f32[1000]", "f32[1000]", NULL},
    {"log_softmax", "f32[3,3]", "!bad-rank", NULL},
    /* add, sub, mul */
    {"add", "f32[3,4,5] f32[3,4,5]", "f32[3,4,5]", NULL},
    {"add", "f32[3,3] f32[3,3]", "f32[3,3]", NULL},
    {"add", "f32[3,4,5] f32[1]", "f32[3,4,5]", NULL},
    {"sub", "f32[1] f32[3,4,5]", "f32[3,4,5]", NULL},
    {"mul", "f32[3,4,5] f32[3,1,1]", "f32[3,4,5]", NULL},
    {"mul", "f32[3,1,1] f32[3,4,5]", "f32[3,4,5]", NULL},
    {"mul", "f32[3,4,5] f32[3]", "f32[3,4,5]", NULL},
    {"sub", "f32[3] f32[3,4,5]", "f32[3,4,5]", NULL},
    {"mul", "f32[3,1,1] f32[3]", "f32[3,1,1]", NULL},
    {"mul", "f32[1] f32[7]", "f32[7]", NULL},
    {"add", "f32[64,56,56] f32[256,56,56]", "!shape-mismatch",
     "cannot add f32[64,56,56] and f32[256,56,56]: channels differ (64 and 256)"},
    {"sub", "f32[3,4,5] f32[3,4,6]", "!shape-mismatch",
     "cannot subtract f32[3,4,6] from f32[3,4,5]: widths differ (6 and 5)"},
    {"mul", "f32[3,4,5] f32[3,5,5]", "!shape-mismatch",
     "cannot multiply f32[3,4,5] and f32[3,5,5]: heights differ (4 and 5)"},
    {"mul", "f32[3,4,5] f32[4,1,1]", "!shape-mismatch", "channels differ (3 and 4)"},
    {"mul", "f32[3,4,5] f32[3,4,1]", "!shape-mismatch", "widths differ"},
    {"mul", "f32[4] f32[3,4,5]", "!shape-mismatch", "channels differ (4 and 3)"},
    {"add", "f32[4] f32[5]", "!shape-mismatch", "lengths differ (4 and 5)"},
    {"add", "f32[4] f32[4,4]", "!shape-mismatch", "ranks differ (1 and 2)"},
    {"add", "f32[4] u8[4]", "!bad-dtype", NULL},
    /* concat */
    {"concat", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"concat", "f32[3,4,5] f32[7,4,5] f32[1,4,5]", "f32[11,4,5]", NULL},
    {"concat", "f32[3] f32[4]", "f32[7]", NULL},
    {"concat", "f32[3,4,5] f32[3,5,5]", "!shape-mismatch",
     "cannot concat f32[3,4,5] and f32[3,5,5]: heights differ (4 and 5)"},
    {"concat", "f32[3,4,5] f32[3]", "!shape-mismatch", "ranks differ (3 and 1)"},
    {"concat", "f32[3,3] f32[3,3]", "!bad-rank", NULL},
    {"concat", "f32[2000000000] f32[2000000000]", "!tensor-too-large", "f32[4000000000]"},
    /* shapes */
    {"flatten", "f32[512,7,7]", "f32[25088]", NULL},
    {"flatten order=hwc", "f32[512,7,7]", "f32[25088]", NULL},
    {"flatten", "f32[9]", "f32[9]", NULL},
    {"flatten", "f32[3,4]", "f32[12]", NULL},
    {"flatten order=hwc", "f32[3,4]", "!bad-rank", NULL},
    {"flatten", "u8[3,4,5]", "!bad-dtype", NULL},
    {"reshape shape=16,4,4", "f32[256]", "f32[16,4,4]", NULL},
    {"reshape shape=60", "f32[3,4,5]", "f32[60]", NULL},
    {"reshape shape=12,5", "f32[3,4,5]", "f32[12,5]", NULL},
    {"reshape shape=12,6", "f32[3,4,5]", "!shape-mismatch",
     "cannot reshape f32[3,4,5] to f32[12,6]: 60 and 72 elements"},
    {"reshape shape=1,3,4,5", "f32[3,4,5]", "!bad-rank", NULL},
    {"reshape shape=65536,65536", "f32[3,4,5]", "!tensor-too-large", NULL},
    {"permute order=1,2,0", "f32[3,4,5]", "f32[4,5,3]", NULL},
    {"permute order=1,0", "f32[3,4]", "f32[4,3]", NULL},
    {"permute order=0", "f32[3]", "f32[3]", NULL},
    {"permute order=1,0", "f32[3,4,5]", "!shape-mismatch", "an order of 2 axes for f32[3,4,5], which has 3"},
    {"permute order=0,1,1", "f32[3,4,5]", "!value-range", "axis 1 stands twice"},
    {"permute order=0,1,3", "f32[3,4,5]", "!value-range", "axis 3 is not one of the input's"},
    {"slice axis=0 begin=0 end=2", "f32[3,4,5]", "f32[2,4,5]", NULL},
    {"slice axis=2 begin=4 end=5", "f32[3,4,5]", "f32[3,4,1]", NULL},
    {"slice axis=0 begin=0 end=3", "f32[3]", "f32[3]", NULL},
    {"slice axis=0 begin=0 end=4", "f32[3,4,5]", "!value-range",
     "0 to 4 is no range within axis 0 of f32[3,4,5], of size 3"},
    {"slice axis=1 begin=2 end=2", "f32[3,4,5]", "!value-range", NULL},
    {"slice axis=1 begin=3 end=2", "f32[3,4,5]", "!value-range", NULL},
    {"slice axis=3 begin=0 end=1", "f32[3,4,5]", "!value-range", "has no axis 3"},
    {"slice axis=1 begin=0 end=1", "f32[3]", "!value-range", "has no axis 1"},
    {"crop pixels=2", "f32[128,84,84]", "f32[128,80,80]", NULL},
    {"crop pixels=0,1", "f32[3,4,5]", "f32[3,4,3]", NULL},
    {"crop pixels=2", "f32[3,4,5]", "!value-range", "taking 2 rows off both sides leaves nothing of f32[3,4,5]"},
    {"crop pixels=1,3", "f32[3,4,5]", "!value-range", "3 columns"},
    {"crop pixels=1", "f32[3]", "!bad-rank", NULL},
    {"channel_shuffle groups=2", "f32[6,4,5]", "f32[6,4,5]", NULL},
    {"channel_shuffle groups=4", "f32[6,4,5]", "!bad-groups", "4 groups do not divide 6"},
    {"channel_shuffle groups=2", "f32[6,6]", "!bad-rank", NULL},
    {"pad pads=1", "f32[3,4,5]", "f32[3,6,7]", NULL},
    {"pad pads=1,2", "f32[3,4,5]", "f32[3,6,9]", NULL},
    {"pad pads=0,1,2,3", "f32[3,4,5]", "f32[3,6,9]", NULL},
    {"pad pads=40 mode=reflect", "f32[3,256,256]", "f32[3,336,336]", NULL},
    {"pad pads=3 mode=reflect", "f32[3,4,5]", "f32[3,10,11]", NULL},
    {"pad pads=4 mode=reflect", "f32[3,4,5]", "!value-range", "cannot reflect 4 rows of f32[3,4,5], which has 4"},
    {"pad pads=0,0,0,5 mode=reflect", "f32[3,4,5]", "!value-range", "5 columns"},
    {"pad pads=9 mode=edge", "f32[3,4,5]", "f32[3,22,23]", NULL},
    {"pad pads=1", "f32[3]", "!bad-rank", NULL},
    {"pad pads=60000", "f32[1,1,1]", "!tensor-too-large", NULL},
    {"upsample scale=2", "f32[3,4,5]", "f32[3,8,10]", NULL},
    {"upsample scale=1,3 mode=bilinear", "f32[3,4,5]", "f32[3,4,15]", NULL},
    {"upsample scale=2", "f32[3]", "!bad-rank", NULL},
    {"upsample scale=65535", "f32[3,4,5]", "!tensor-too-large", NULL},
    /* the rest */
    {"normalize mean=1,2,3 std=1,2,3", "u8[3,4,5]", "f32[3,4,5]", NULL},
    {"normalize mean=1 std=2", "f32[3,4,5]", "f32[3,4,5]", NULL},
    {"normalize mean=1 std=1,2,3,4", "u8[3,4,5]", "!shape-mismatch",
     "std has 4 values for the 3 channels of u8[3,4,5]"},
    {"normalize mean=1,2 std=1", "u8[3,4,5]", "!shape-mismatch", "mean has 2 values"},
    {"normalize mean=1 std=1,0,1", "u8[3,4,5]", "!value-range", "std of channel 1 is 0"},
    {"normalize mean=1 std=1", "i32[3,4,5]", "!bad-dtype", "normalize takes f32 or u8 elements"},
    {"normalize mean=1 std=1", "f32[3,4]", "!bad-rank", NULL},
    {"gram", "f32[64,9,7]", "f32[64,64]", NULL},
    {"gram", "f32[64]", "!bad-rank", NULL},
    {"gram", "f32[50000,1,1]", "!tensor-too-large", NULL},
    {"mse", "f32[3,4,5] f32[3,4,5]", "f32[1]", NULL},
    {"mse", "f32[8,8] f32[8,8]", "f32[1]", NULL},
    {"mse", "f32[3,4,5] f32[3]", "!shape-mismatch", "cannot take mse of f32[3,4,5] and f32[3]: ranks differ"},
    {"mse", "f32[8,8] f32[8,9]", "!shape-mismatch", "columns differ (8 and 9)"},
    {"sum", "f32[3,4,5]", "f32[1]", NULL},
    {"mean", "f32[4,5]", "f32[1]", NULL},
    {"argmax", "f32[1000]", "i32[1]", NULL},
    {"argmax", "f32[21,4,5]", "i32[1,4,5]", NULL},
    {"argmax", "f32[4,5]", "!bad-rank", NULL},
    {"top_k k=5", "f32[1000]", "i32[5]", NULL},
    {"top_k k=5 indices=false", "f32[1000]", "f32[5]", NULL},
    {"top_k k=5", "f32[5]", "i32[5]", NULL},
    {"top_k k=6", "f32[5]", "!value-range", "the 6 largest of f32[5], which has 5"},
    {"top_k k=1", "f32[5,1,1]", "!needs-flatten", NULL},
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

static void check_case(const Case *c)
{
    IrBuild build = irbuild_start();
    Node *data[8] = {NULL};
    int n = 0;
    for (const char *at = c->inputs; *at != '\0'; at += strcspn(at, " "), at += strspn(at, " ")) {
        data[n++] = irbuild_input(&build, at);
    }
    Node *node = irbuild_add(&build, "x", c->op, data);
    Str text = arena_copy(build.arena, diag_text(build.diag));
    if (c->result[0] == '!') {
        const char *id = NULL;
        for (int i = 0; i < DIAG_COUNT; ++i) {
            id = diag_fired(build.diag, (DiagId)i) > 0 ? diag_name((DiagId)i) : id;
        }
        cr_expect(node == NULL && diag_errors(build.diag) == 1, "%s on %s is accepted", c->op, c->inputs);
        cr_expect(id != NULL && strcmp(id, c->result + 1) == 0, "%s on %s: %s", c->op, c->inputs, text.ptr);
        cr_expect(c->says == NULL || strstr(text.ptr, c->says) != NULL, "%s on %s: '%s' is not in: %s", c->op,
                  c->inputs, c->says, text.ptr);
    } else {
        cr_expect(node != NULL, "%s on %s: %s", c->op, c->inputs, text.ptr);
        cr_expect(node == NULL || strcmp(type_text(node->type).text, c->result) == 0, "%s on %s gives %s, not %s",
                  c->op, c->inputs, node == NULL ? "" : type_text(node->type).text, c->result);
    }
    irbuild_end(&build);
}

Test(ir_shape, every_op_and_every_refusal)
{
    for (int i = 0; i < N_CASES; ++i) {
        check_case(&cases[i]);
    }
}

Test(ir_shape, table_has_a_case_for_every_op)
{
    for (int op = 0; op < OP_COUNT; ++op) {
        const char *name = op_info((OpKind)op)->name;
        bool accepted = name[0] == '\0';
        for (int i = 0; i < N_CASES; ++i) {
            size_t len = strcspn(cases[i].op, " ");
            accepted |= strlen(name) == len && strncmp(cases[i].op, name, len) == 0 && cases[i].result[0] != '!';
        }
        cr_expect(accepted, "no case for %s", name);
    }
}

/* --- "same", resolved into edges: the odd pixel at the bottom and right */

static void check_same(const char *op, const char *input, const int32_t expected[4])
{
    IrBuild build = irbuild_start();
    Node *node = irbuild_add1(&build, "x", op, irbuild_input(&build, input));
    cr_assert(node != NULL);
    const Pads *pads = node->op == OP_MAX_POOL || node->op == OP_AVG_POOL ? &node->attr.pool.pad : &node->attr.conv.pad;
    cr_expect(!pads->same);
    for (int i = 0; i < 4; ++i) {
        cr_expect(pads->edge[i] == expected[i], "%s on %s: edge %d is %d, not %d", op, input, i, (int)pads->edge[i],
                  (int)expected[i]);
    }
    irbuild_end(&build);
}

Test(ir_shape, same_padding_becomes_edges)
{
    check_same("conv channels=1 kernel=3 stride=2 pad=same", "f32[1,224,224]", (int32_t[]){0, 0, 1, 1});
    check_same("conv channels=1 kernel=3 stride=2 pad=same", "f32[1,15,224]", (int32_t[]){1, 0, 1, 1});
    check_same("conv channels=1 kernel=7 stride=2 pad=same", "f32[1,224,224]", (int32_t[]){2, 2, 3, 3});
    check_same("conv channels=1 kernel=1 stride=2 pad=same", "f32[1,224,224]", (int32_t[]){0, 0, 0, 0});
    check_same("conv channels=1 kernel=5 pad=same", "f32[1,9,9]", (int32_t[]){2, 2, 2, 2});
    check_same("conv channels=1 kernel=2,4 pad=same", "f32[1,9,9]", (int32_t[]){0, 1, 1, 2});
    check_same("conv channels=1 kernel=3 dilation=2 pad=same", "f32[1,9,9]", (int32_t[]){2, 2, 2, 2});
    check_same("depthwise_conv kernel=3 stride=2 pad=same", "f32[8,112,112]", (int32_t[]){0, 0, 1, 1});
    check_same("max_pool kernel=3 stride=2 pad=same", "f32[8,112,113]", (int32_t[]){0, 1, 1, 1});
    check_same("avg_pool kernel=2 stride=3 pad=same", "f32[8,6,7]", (int32_t[]){0, 0, 0, 1});
}

/* --- derived attributes, weights, counts */

typedef struct Cost {
    const char *op, *input;
    const char *weights; /* types in the table's order, separated by blanks */
    int64_t macs, params;
} Cost;

static const Cost costs[] = {
    {"conv channels=64 kernel=7 stride=2 pad=3 bias=false", "f32[3,224,224]", "f32[64,3,7,7]", 118013952, 9408},
    {"conv channels=6 kernel=5", "f32[1,32,32]", "f32[6,1,5,5] f32[6]", 117600, 156},
    {"conv channels=6 kernel=3,5 groups=2", "f32[4,8,8]", "f32[6,2,3,5] f32[6]", 6 * 2 * 15 * 6 * 4, 186},
    {"conv channels=2 kernel=5 table=0,1/0,1,2", "f32[3,14,14]", "f32[5,5,5] f32[2]", 5 * 25 * 100, 127},
    {"depthwise_conv kernel=3 pad=1 bias=false", "f32[32,112,112]", "f32[32,1,3,3]", 3612672, 288},
    {"depthwise_conv kernel=3 multiplier=2", "f32[4,8,8]", "f32[8,1,3,3] f32[8]", 8 * 9 * 36, 80},
    {"conv_transpose channels=64 kernel=3 stride=2 pad=1 output_pad=1", "f32[128,84,84]", "f32[128,64,3,3] f32[64]",
     128LL * 64 * 9 * 84 * 84, 128 * 64 * 9 + 64},
    {"conv_transpose channels=6 kernel=2 groups=2 bias=false", "f32[4,3,3]", "f32[4,3,2,2]", 4 * 3 * 4 * 9, 48},
    {"dense units=1000", "f32[512]", "f32[1000,512] f32[1000]", 512000, 513000},
    {"dense units=10 bias=false", "f32[84]", "f32[10,84]", 840, 840},
    {"rbf units=10", "f32[84]", "f32[10,84]", 0, 0}, /* bitmaps drawn by hand: not trained, not counted */
    {"batch_norm", "f32[64,2,2]", "f32[64] f32[64] f32[64] f32[64]", 0, 128},
    {"batch_norm scale=false", "f32[64,2,2]", "f32[64] f32[64] f32[64]", 0, 64},
    {"batch_norm scale=false shift=false", "f32[64]", "f32[64] f32[64]", 0, 0},
    {"instance_norm", "f32[64,2,2]", "", 0, 0},
    {"instance_norm affine=true", "f32[64,2,2]", "f32[64] f32[64]", 0, 128},
    {"subsample", "f32[6,28,28]", "f32[6] f32[6]", 0, 12},
    {"prelu", "f32[6,28,28]", "f32[6]", 0, 6},
    {"affine", "f32[6,28,28]", "f32[6] f32[6]", 0, 12},
    {"relu", "f32[6,28,28]", "", 0, 0},
    {"gram", "f32[6,28,28]", "", 0, 0},
    {"max_pool kernel=2", "f32[6,28,28]", "", 0, 0},
};

Test(ir_shape, weights_macs_and_parameters)
{
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; ++i) {
        const Cost *c = &costs[i];
        IrBuild build = irbuild_start();
        Node *node = irbuild_add1(&build, "x", c->op, irbuild_input(&build, c->input));
        cr_assert(node != NULL, "%s", c->op);
        StrBuf weights = {0};
        strbuf_append(&weights, STR(""));
        for (uint32_t w = node->n_data; w < node->n_inputs; ++w) {
            strbuf_printf(&weights, "%s%s", w > node->n_data ? " " : "", type_text(node->inputs[w]->type).text);
        }
        cr_expect(str_equal(strbuf_view(&weights), str_from(c->weights)), "%s: weights " STR_FMT, c->op,
                  STR_ARG(strbuf_view(&weights)));
        cr_expect(node_macs(node) == c->macs, "%s: %lld MACs", c->op, (long long)node_macs(node));
        cr_expect(node_params(node) == c->params, "%s: %lld parameters", c->op, (long long)node_params(node));
        strbuf_free(&weights);
        irbuild_end(&build);
    }
}

Test(ir_shape, derived_attributes)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[4,8,8]");
    Node *depthwise = irbuild_add1(&build, "a", "depthwise_conv kernel=3 multiplier=3", x);
    cr_expect(depthwise->attr.conv.groups == 4 && depthwise->attr.conv.channels == 12);
    Node *subsample = irbuild_add1(&build, "b", "subsample kernel=2,4", x);
    cr_expect(subsample->attr.pool.stride[0] == 2 && subsample->attr.pool.stride[1] == 4);
    Node *pool = irbuild_add1(&build, "c", "max_pool kernel=2,4", x);
    cr_expect(pool->attr.pool.stride[0] == 2 && pool->attr.pool.stride[1] == 4);
    irbuild_end(&build);
}

Test(ir_shape, inference_is_idempotent)
{
    for (int i = 0; i < N_CASES; ++i) {
        if (cases[i].result[0] == '!' || strchr(cases[i].inputs, ' ') != NULL) {
            continue;
        }
        IrBuild build = irbuild_start();
        Node *node = irbuild_add1(&build, "x", cases[i].op, irbuild_input(&build, cases[i].inputs));
        cr_assert(node != NULL);
        Attr before = node->attr;
        TensorType type = node->type;
        cr_expect(shape_infer(node, build.diag) && type_equal(node->type, type), "%s", cases[i].op);
        cr_expect(op_attr_equal(node->op, &before, &node->attr), "%s", cases[i].op);
        irbuild_end(&build);
    }
}

Test(ir_shape, residual_has_the_type_of_the_result)
{
    IrBuild build = irbuild_start();
    Node *x = irbuild_input(&build, "f32[4,8,8]");
    Node *y = irbuild_input(&build, "f32[4,6,6]");
    Node *conv = irbuild_add1(&build, "c", "conv channels=4 kernel=3", x);
    graph_set_data(build.graph, conv, (Node *[]){x, y}, 2);
    conv->adds_residual = true;
    cr_expect(shape_infer(conv, build.diag));
    graph_set_data(build.graph, conv, (Node *[]){x, x}, 2);
    cr_expect(!shape_infer(conv, build.diag));
    cr_expect(diag_fired(build.diag, DIAG_SHAPE_MISMATCH) == 1);
    irbuild_end(&build);
}
