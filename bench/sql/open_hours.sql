-- The peer's load books around the clock in 2031 and later and checks no hours. Ours does check them: so for the
-- booking job everybody works all day, from 2030 on.
INSERT INTO instructor_availabilities (org_id, id, instructor_id, day_of_week, start_minute, end_minute, effective_from)
SELECT org_id, md5('open' || id || day)::uuid, id, day, 0, 1440, '2030-01-01'
FROM instructors, generate_series(0, 6) day;
