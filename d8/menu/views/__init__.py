"""What the operator sees, the only room that uses rich. Given results, draws them; decides and asks nothing."""
