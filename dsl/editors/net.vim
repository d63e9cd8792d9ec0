" Vim syntax of cnnc's .net language. Written from compiler/ir/ops.def by `make bless`.
if exists("b:current_syntax")
  finish
endif

syn keyword netStatement net block import input output return for in if else training
syn keyword netOperator and or not as shared
syn keyword netType f32 u8 hwc
syn keyword netBoolean true false
syn keyword netTodo TODO FIXME contained

syn match netOp /\v<(conv|depthwise_conv|conv_transpose|dense|batch_norm|instance_norm|lrn|max_pool|avg_pool|global_avg_pool|global_max_pool|adaptive_avg_pool|subsample|relu|relu6|leaky_relu|prelu|sigmoid|hard_sigmoid|tanh|scaled_tanh|silu|hard_swish|gelu|elu|softplus|step|identity|softmax|log_softmax|rbf|l2_normalize|dropout|add|sub|mul|concat|flatten|reshape|permute|slice|crop|channel_shuffle|pad|upsample|affine|normalize|gram|mse|sum|mean|scale|clamp|argmax|top_k)>/
syn match netFunction /\v<(min|max|abs|floor|ceil|round|int|float|str|len|range|sqrt|log2|make_divisible)>\ze\s*\(/
syn match netParameter /\v<(channels|kernel|stride|pad|dilation|groups|bias|table|multiplier|output_pad|units|eps|scale|shift|affine|size|alpha|beta|k|alpha_div_n|ceil|count_pad|keep|slope|a|b|p|order|shape|axis|begin|end|pixels|pads|mode|value|mean|std|factor|lo|hi|indices)>\ze\s*\=[^=]/
syn match netNumber /\v<\d+(\.\d+)?([eE][+-]?\d+)?>/
syn match netPipe /|>/
syn region netString start=/"/ skip=/\\./ end=/"\|$/ oneline
syn match netComment /#.*$/ contains=netTodo,@Spell

hi def link netStatement Statement
hi def link netOperator Operator
hi def link netPipe Operator
hi def link netType Type
hi def link netBoolean Boolean
hi def link netNumber Number
hi def link netString String
hi def link netComment Comment
hi def link netTodo Todo
hi def link netOp Function
hi def link netFunction Function
hi def link netParameter Identifier

let b:current_syntax = "net"
