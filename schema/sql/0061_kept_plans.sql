-- A batch of one row is planned as cheaply as it is executed only when its plan is kept. Left to itself the server makes a new plan for
-- every small batch, because it knows the arrays' lengths then, and the plan costs several times the work.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_generic_plan', 'accept_tasks'::regproc::oid::regprocedure);
END
$$;
