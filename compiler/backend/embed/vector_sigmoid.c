CNN_INLINE vector vector_sigmoid(vector v)
{
    return vector_logistic(vector_all(1.0f), v);
}

CNN_INLINE vector vector_silu(vector v)
{
    return vector_logistic(v, v);
}
