/* dead_code: drops nodes that no output reads, such as auxiliary heads, and the constants that only they read.
 *
 *   before   %2 = relu %1 : f32[8,4,4]
 *            %3 = conv %2 {channels=1000, kernel=[4, 4]} weight=@aux.weight bias=@aux.bias : f32[1000,1,1]
 *            output y = %2
 *   after    %2 = relu %1 : f32[8,4,4]
 *            output y = %2
 *
 * requires          nothing
 * keeps             every value bit for bit; input ports, read or not: they are part of the interface
 * does not handle   parts of a value that nobody reads (a slice of a concat)
 */
#include "passes/pass.h"

bool dead_code(PassContext *context, Graph *graph)
{
    (void)context;
    return graph_compact(graph);
}
