#!/bin/bash
# Makes each service's database with two roles: an owner that migrates and a role the service works as.
# Runs once, when the volume of PostgreSQL is empty. Passwords come from the environment.
set -euo pipefail

for service in auth_otp patient_access payments portal content integrations chat; do
  name="tabib_${service}"
  upper=${service^^}
  owner_variable="${upper}_OWNER_PASSWORD"
  role_variable="${upper}_DB_PASSWORD"
  psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    -v name="$name" -v owner="${name}_owner" \
    -v owner_password="${!owner_variable:?}" -v role_password="${!role_variable:?}" <<'SQL'
CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password';
CREATE ROLE :"name" LOGIN PASSWORD :'role_password';
CREATE DATABASE :"name" OWNER :"owner";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"name" TO :"name";
SQL
done
